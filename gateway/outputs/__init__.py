"""What tells an operator beside the screen: a loudspeaker and a stack light, where there are any.

Both are optional. They hear each signal as it is given, never hold it up, and a device that is not
there is said once in the log and changes nothing else.
"""
