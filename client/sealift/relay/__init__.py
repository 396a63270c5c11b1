"""The client's side of a relay: connections, calls, enrolment, fetching."""
