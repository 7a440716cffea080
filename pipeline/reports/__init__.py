"""What is shown or written for people when a command ends."""
