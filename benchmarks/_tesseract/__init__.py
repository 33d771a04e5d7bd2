"""What the peer needs: a tesseract, and a client of it that runs in its environment."""
