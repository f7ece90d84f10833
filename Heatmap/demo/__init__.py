"""An exchange on loopback that speaks the protocol of Binance USD-M: a simulated or a replayed market."""
