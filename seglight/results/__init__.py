"""What is made of scores: drawings, tables, pages."""
