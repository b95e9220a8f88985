//! The names by which the values of an enum are known outside: in metrics, logs and alarms.

/// Gives each value of an enum its name, and lists the names. A value that is left out does not compile.
#[macro_export]
macro_rules! names {
    ($kind:ident { $($value:ident $(($($held:tt)*))? = $name:expr),+ $(,)? }) => {
        impl $kind {
            /// All names.
            pub const NAMES: &'static [&'static str] = &[$($name),+];

            /// For logs and metrics.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$value $(($($held)*))? => $name,)+
                }
            }
        }
    };
}
