"""From predictions to numbers: files of predictions, scores a video, the table on the terminal."""
