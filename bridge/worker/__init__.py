"""Joins the ports of one route, from intake to the end of the process."""
