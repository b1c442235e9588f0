"""What every driver is made of."""
