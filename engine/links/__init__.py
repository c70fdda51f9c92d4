"""Parameter links: parameters that follow expressions over what is measured, and over other parameters."""
