"""A stand-in of the platform: a Django project with the models that the plugin meets, and the platform's columns."""
