//! bindings.rs: the macro that declares a header's constants, structs and functions, and, for the test in facts.rs,
//! lists them with what this compiler makes of them. It knows no name of the API but `struct_size`.

macro_rules! bindings {
    (
        $(constants { $($constant:ident: $constant_type:ty = $value:expr;)* })?
        $(structs { $($(#[$about_struct:meta])* $name:ident {
            $($(#[$about_field:meta])* $field:ident: $field_type:ty,)*
        })* })?
        $(functions { $($(#[$about_function:meta])* fn $function:ident(
            $($parameter:ident: $parameter_type:ty),* $(,)?
        ) $(-> $result:ty)?;)* })?
    ) => {
        $($(pub const $constant: $constant_type = $value;)*)?

        $($(
            $(#[$about_struct])*
            #[repr(C)]
            #[derive(Clone, Copy, Debug)]
            pub struct $name { $($(#[$about_field])* pub $field: $field_type,)* }

            impl $name {
                /// All zeroes, but for `struct_size` where there is one.
                #[allow(unused_mut)]
                pub const INIT: Self = {
                    let mut this: Self = unsafe { core::mem::zeroed() };
                    $(set_struct_size!(this $field);)*
                    this
                };
            }

            impl Default for $name {
                fn default() -> Self {
                    Self::INIT
                }
            }
        )*)?

        $(extern "C" {
            $($(#[$about_function])* pub fn $function($($parameter: $parameter_type),*) $(-> $result)?;)*
        })?

        #[cfg(test)]
        pub(crate) const DECLARED: crate::facts::Declared = crate::facts::Declared {
            constants: &[$($((stringify!($constant), $value as i128),)*)?],
            structs: &[$($(crate::facts::Struct {
                name: stringify!($name),
                size: core::mem::size_of::<$name>(),
                align: core::mem::align_of::<$name>(),
                fields: &[$(crate::facts::Field {
                    name: stringify!($field),
                    is: stringify!($field_type),
                    offset: core::mem::offset_of!($name, $field),
                    size: core::mem::size_of::<$field_type>(),
                },)*],
            },)*)?],
            functions: &[$($(crate::facts::Function {
                name: stringify!($function),
                parameters: &[$(stringify!($parameter_type),)*],
                returns: concat!($(stringify!($result))?),
            },)*)?],
        };
    };
}

macro_rules! set_struct_size {
    ($this:ident struct_size) => {
        $this.struct_size = core::mem::size_of::<Self>() as u32
    };
    ($this:ident $other:ident) => {};
}
