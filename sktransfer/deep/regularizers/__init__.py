"""Terms of the loss that hold a network near its source."""
