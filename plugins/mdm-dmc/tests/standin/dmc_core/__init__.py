"""A stand-in for a Decision Modulation Core: the signature and the order of guards of the real one, written anew."""
