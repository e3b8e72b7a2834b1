"""The profile of a learner."""

from django.contrib.auth import get_user_model
from django.db import models


class UserProfile(models.Model):
    """The learner's name, as certificates have it."""

    user = models.OneToOneField(get_user_model(), on_delete=models.CASCADE, related_name="profile")
    name = models.CharField(max_length=255, blank=True)
