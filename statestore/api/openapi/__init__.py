"""The OpenAPI description: routes and verbs come from urls.py, what each means from the tables here.

`operations` has one record for each verb of each path, `parts` the parameters and answers that they
share, `shapes` the JSON; `generator` puts them together. Nothing here runs when a request is served.
"""
