"""Networks as PyTorch modules and back."""
