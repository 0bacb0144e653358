//! What this program uses of fastgmmmi.h, by hand. `size` is checked by the library: a structure of another version is an error, not a crash.

use std::ffi::{c_char, c_int, c_void, CStr};
use std::ptr::{null, null_mut};

#[repr(C)]
pub struct Options {
    pub size: usize,
    pub n_components: i32,
    pub max_components: i32,
    pub criterion: i32,
    pub init: i32,
    pub n_folds: i32,
    pub n_inits: i32,
    pub patience: i32,
    pub max_iter: i32,
    pub tol: f64,
    pub reg_covar: f64,
    pub init_scale: f64,
    pub marginals: i32,
    pub n_bootstrap: i32,
    pub reselect: i32,
    pub equal_classes: i32,
    pub integration_tol: f64,
    pub cancel: *const c_int,
    pub run_tasks: *const c_void,
    pub runner_data: *mut c_void,
    pub poll: *const c_void,
    pub poll_data: *mut c_void,
    pub least_gain: f64,
    pub least_variance: f64,
    pub integral: i32,
    pub error: i32,
}

#[repr(C)]
struct RawResult {
    size: usize,
    value: f64,
    standard_error: f64,
    plug_in: f64,
    integration_error: f64,
    acceleration: f64,
    log_likelihood: f64,
    n_components: i32,
    converged: i32,
    n_iter: i32,
    n_failed: i32,
    reselected: i32,
    fault_column: i32,
    diverging: i32,
    marginals: i32,
    arrays: [*mut f64; 9], // bootstrap .. resolution
    smaller_entropy: f64,
    n_classes: i32,
    n_small_classes: i32,
    fault_variable: i32,
    is_corrected: i32,
    class_labels: *mut i32,
    class_probabilities: *mut f64,
    class_components: *mut i32,
    corrected: f64,
    degrees_of_freedom: f64,
    shortfall: f64,
    shortfall_error: f64,
    marginals_error: f64,
    n_copies: i64,
}

extern "C" {
    fn fgm_strerror(status: c_int) -> *const c_char;
    fn fgm_options_defaults(options: *mut Options, size: usize);
    fn fgm_mutual_information(
        x: *const f64,
        y: *const f64,
        n: i64,
        dx: i32,
        dy: i32,
        sample_weight: *const f64,
        options: *const Options,
        seed: u64,
        result: *mut RawResult,
    ) -> c_int;
}

impl Default for Options {
    fn default() -> Self {
        let mut options = std::mem::MaybeUninit::<Options>::zeroed();
        // SAFETY: the library writes no more than the size that it is told; zero is valid for every field.
        unsafe {
            fgm_options_defaults(options.as_mut_ptr(), std::mem::size_of::<Options>());
            options.assume_init()
        }
    }
}

pub struct Estimate {
    pub value: f64,
    pub standard_error: f64,
}

/// Mutual information between x and y, nats.
pub fn mutual_information(
    x: &[f64],
    y: &[f64],
    options: &Options,
    seed: u64,
) -> Result<Estimate, String> {
    if x.len() != y.len() {
        return Err(format!("{} values of x, but {} of y", x.len(), y.len()));
    }
    let mut result = RawResult {
        size: std::mem::size_of::<RawResult>(),
        value: f64::NAN,
        standard_error: f64::NAN,
        plug_in: f64::NAN,
        integration_error: f64::NAN,
        acceleration: f64::NAN,
        log_likelihood: f64::NAN,
        n_components: 0,
        converged: 0,
        n_iter: 0,
        n_failed: 0,
        reselected: 0,
        fault_column: -1,
        diverging: 0,
        marginals: 0,
        arrays: [null_mut(); 9],
        smaller_entropy: f64::NAN,
        n_classes: 0,
        n_small_classes: 0,
        fault_variable: -1,
        is_corrected: 0,
        class_labels: null_mut(),
        class_probabilities: null_mut(),
        class_components: null_mut(),
        corrected: f64::NAN,
        degrees_of_freedom: f64::NAN,
        shortfall: 0.0,
        shortfall_error: 0.0,
        marginals_error: 0.0,
        n_copies: 0,
    };
    // SAFETY: the slices outlive the call, after which the library keeps no pointer; arrays of the result may be null.
    let status = unsafe {
        fgm_mutual_information(
            x.as_ptr(),
            y.as_ptr(),
            x.len() as i64,
            1,
            1,
            null(),
            options,
            seed,
            &mut result,
        )
    };
    if status != 0 {
        // SAFETY: fgm_strerror never gives null, and its text lives as long as the program.
        return Err(unsafe { CStr::from_ptr(fgm_strerror(status)) }
            .to_string_lossy()
            .into_owned());
    }
    Ok(Estimate {
        value: result.value,
        standard_error: result.standard_error,
    })
}
