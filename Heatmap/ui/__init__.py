"""What is on the screen: underlay, bridge to the chart page, settings tab, status. Reads from the store only."""
