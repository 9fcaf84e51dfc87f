"""The built web app of `zoo demo`, in the folder `app` of this package: files only."""
