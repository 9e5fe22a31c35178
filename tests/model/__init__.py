"""The storage protocols as executable specification; README.md here says what each model shows."""
