module:depends "private_storage"; -- which goes by whether this name is in modules_enabled
