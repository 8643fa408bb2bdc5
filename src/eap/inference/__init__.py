"""Synthesis for users: any picture and any voice to a video file."""
