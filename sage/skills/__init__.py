"""What the robot is asked to do, and how it does it."""
