"""Talking to a relay: connections, calls, enrolment, fetching."""
