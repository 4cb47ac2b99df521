"""Everything on one HTML page that needs nothing else: `spear report`.

It is rendered from the committed results and, beside them, from any local run folders; a job that
is still missing is named with its command. The page loads nothing from anywhere.
"""
