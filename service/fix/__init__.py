"""FIX 4.4: quickfix sessions behind one typed module, and the way between FIX text and our vocabulary."""
