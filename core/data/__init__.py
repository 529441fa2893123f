"""The data room: reading files, cleaning, splitting, frozen versions, export. It opens no database."""
