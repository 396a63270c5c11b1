"""What PyTorch and Hugging Face call; one module a framework."""
