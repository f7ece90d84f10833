"""What people see and use beside the map: settings tab, legend, tooltip, status."""
