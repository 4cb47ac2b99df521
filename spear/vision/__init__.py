"""Vision transformers: the images behind one gradient, from the first block's linear algebra."""
