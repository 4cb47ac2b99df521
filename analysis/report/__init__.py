"""All results on one HTML page without external files: `spear report`.

It shows the committed results and, beside them, local run folders. Of a job that is still missing
it has the command. The page loads nothing from the network.
"""
