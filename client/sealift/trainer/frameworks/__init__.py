"""What PyTorch and Hugging Face call; one module for each framework."""
