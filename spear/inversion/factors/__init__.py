"""The gradient as a product dL/dW = L R: decomposition, rank, noise, and large matrices."""
