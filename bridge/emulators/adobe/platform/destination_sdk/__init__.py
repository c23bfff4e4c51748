"""The emulated Destination SDK: private destinations, their templates, and the calls that test them."""
