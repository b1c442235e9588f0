"""A rehearsal: a random but truthful shift through everything, and whether the books tell it."""
