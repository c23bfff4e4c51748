"""Setting AEP up: desired state, what is there, the difference, and how it is made, checked and handed over."""
