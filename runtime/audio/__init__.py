"""Audio: recordings in any encoding become mono samples at the rate that a network takes."""
