"""What people do to parents and to the gateway: commands, the control API and the page."""
