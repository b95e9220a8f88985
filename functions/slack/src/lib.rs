//! The function `slack`: reviews as messages in a channel.
