"""What a label can say: check digits, GTINs, GS1 element strings, Digital Links, site cards."""
