"""Tables, a module each: EXPERIMENTS, and `table(results)`, a data frame whose cells are text.
`spear tables [NAME ...]` prints them as Markdown and writes `<name>.md`."""
