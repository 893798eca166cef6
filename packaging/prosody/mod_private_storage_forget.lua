module:depends "private_storage"; -- the name of a part of mod_private_storage before it had its own
