//! Declares what can stand in attributes, and the attributes.

/// Makes an id, which parses and displays, something that stands in an attribute.
macro_rules! typed_id {
    ($($name:ty: $expected:expr),+ $(,)?) => {$(
        impl $crate::written::Typed for $name {
            const SHAPE: $crate::written::Shape = $crate::written::Shape::Id($expected);

            fn read(
                value: &$crate::written::Value,
                shape: &$crate::written::Shape,
            ) -> Result<Self, $crate::written::Misfit> {
                $crate::written::id(value, &shape.expected())
            }

            fn write(&self) -> $crate::written::Value {
                $crate::written::Value::Text(self.to_string())
            }
        }
    )+};
}
pub(crate) use typed_id;

/// Makes an enum something that stands in an attribute, by the names that serde gives its values.
macro_rules! typed_choice {
    ($($name:ty: $names:expr),+ $(,)?) => {$(
        impl $crate::written::Typed for $name {
            const SHAPE: $crate::written::Shape = $crate::written::Shape::Choice($names);

            fn read(
                value: &$crate::written::Value,
                _: &$crate::written::Shape,
            ) -> Result<Self, $crate::written::Misfit> {
                $crate::written::choice(value, $names)
            }

            fn write(&self) -> $crate::written::Value {
                let name = serde_json::to_value(self).ok();
                let name = name.as_ref().and_then(serde_json::Value::as_str);
                $crate::written::Value::Text(name.unwrap_or_default().to_owned())
            }
        }
    )+};
}
pub(crate) use typed_choice;

/// Declares attributes that may be absent: a struct that holds them, what people are told of them, and how they
/// are read and written.
macro_rules! attributes {
    (
        $(#[$meta:meta])*
        pub struct $name:ident, $list:ident {
            $(
                $(#[$doc:meta])*
                $attribute:ident: $type:ty {
                    meaning: $meaning:literal,
                    $(shape: $shape:expr,)?
                }
            )*
        }
    ) => {
        $(#[$meta])*
        pub struct $name {
            $(
                $(#[$doc])*
                pub $attribute: Option<$type>,
            )*
        }

        /// As they are declared.
        pub const $list: &[$crate::written::Attribute] = &[$(
            $crate::written::Attribute {
                name: stringify!($attribute),
                shape: $crate::written::attributes!(@shape $type $(; $shape)?),
                meaning: $meaning,
            },
        )*];

        impl $name {
            pub(crate) fn read(reader: &mut $crate::written::Reader<'_>) -> Self {
                Self {$(
                    $attribute: reader.optional_as(
                        stringify!($attribute),
                        &$crate::written::attributes!(@shape $type $(; $shape)?),
                    ),
                )*}
            }

            pub(crate) fn write(&self, attributes: &mut $crate::written::Attributes) {
                $(
                    if let Some(value) = &self.$attribute {
                        let value = $crate::written::Typed::write(value);
                        attributes.insert(stringify!($attribute).to_owned(), value);
                    }
                )*
            }
        }
    };
    (@shape $type:ty) => { <$type as $crate::written::Typed>::SHAPE };
    (@shape $type:ty; $shape:expr) => { $shape };
}
pub(crate) use attributes;
