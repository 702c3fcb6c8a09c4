"""The room that sends: pure rules, words, a real database, and real servers on this machine."""
