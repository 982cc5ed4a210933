//! The C ABI of a fit, called as C calls it: options, covariance, report, checkpoint.

use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr::{null, null_mut};

use ncg::ffi::error::{ncg_error, ncg_error_free, ncg_error_message};
use ncg::ffi::fit::*;
use ncg::ffi::model::{ncg_model, ncg_model_compile, ncg_model_free};
use ncg::ffi::options::{
    ncg_options, ncg_options_free, ncg_options_new, ncg_options_set_int, ncg_options_set_str,
};

const SOURCE: &str = "(parameter a 1) (parameter r 0.3) (* a (exp (- (* r x))))";

struct Fit {
    model: *mut ncg_model,
    fit: *mut ncg_fit,
}

impl Drop for Fit {
    fn drop(&mut self) {
        // SAFETY: both were made here and are freed once.
        unsafe {
            ncg_fit_free(self.fit);
            ncg_model_free(self.model);
        }
    }
}

fn c(text: &str) -> CString {
    CString::new(text).unwrap()
}

fn said(err: *mut ncg_error) -> String {
    // SAFETY: an error of the library or NULL.
    unsafe {
        let text = CStr::from_ptr(ncg_error_message(err))
            .to_str()
            .unwrap()
            .to_string();
        ncg_error_free(err);
        text
    }
}

fn call(f: impl FnOnce(*mut *mut ncg_error) -> i32) -> Result<(), String> {
    let mut err = null_mut();
    match f(&mut err) {
        0 => Ok(()),
        _ => Err(said(err)),
    }
}

fn make(texts: &[(&str, &str)], whole: &[(&str, i64)]) -> Result<Fit, String> {
    let (mut options, mut model, mut fit): (*mut ncg_options, *mut ncg_model, *mut ncg_fit) =
        (null_mut(), null_mut(), null_mut());
    // SAFETY: places for handles, texts that end in NUL.
    unsafe {
        call(|err| ncg_options_new(&mut options, err))?;
        call(|err| ncg_options_set_str(options, c"engine".as_ptr(), c"native".as_ptr(), err))?;
        for (name, value) in texts {
            call(|err| ncg_options_set_str(options, c(name).as_ptr(), c(value).as_ptr(), err))?;
        }
        for (name, value) in whole {
            call(|err| ncg_options_set_int(options, c(name).as_ptr(), *value, err))?;
        }
        call(|err| {
            ncg_model_compile(
                SOURCE.as_ptr().cast(),
                SOURCE.len() as i64,
                null(),
                &mut model,
                err,
            )
        })?;
        let made = call(|err| ncg_fit_new(model, options, &mut fit, err));
        ncg_options_free(options);
        let owned = Fit { model, fit };
        made.map(|()| owned)
    }
}

fn observations() -> (Vec<f64>, Vec<f64>) {
    let x: Vec<f64> = (0..16).map(|i| 0.25 * f64::from(i)).collect();
    let y = x
        .iter()
        .map(|x| 3.0 * (-0.5 * x).exp() + 0.02 * (17.0 * x).sin())
        .collect();
    (x, y)
}

fn feed(fit: &Fit) -> Result<(), String> {
    let (x, y) = observations();
    // SAFETY: tables of 16 samples.
    call(|err| unsafe {
        ncg_fit_set_data_f64(
            fit.fit,
            16,
            x.as_ptr(),
            1,
            1,
            y.as_ptr(),
            1,
            1,
            null(),
            0,
            0,
            err,
        )
    })
}

fn run(fit: &Fit) -> Result<i32, String> {
    let mut stop = -1;
    // SAFETY: a place for the stop.
    call(|err| unsafe { ncg_fit_run(fit.fit, &mut stop, err) })?;
    Ok(stop)
}

fn report(fit: &Fit) -> serde_json::Value {
    let mut needed = 0;
    // SAFETY: a NULL buffer asks for the size alone; then there is room.
    unsafe {
        call(|err| ncg_fit_report(fit.fit, c"json".as_ptr(), null_mut(), 0, &mut needed, err))
            .unwrap();
        let mut buffer = vec![0u8; needed as usize];
        let place: *mut c_char = buffer.as_mut_ptr().cast();
        call(|err| ncg_fit_report(fit.fit, c"json".as_ptr(), place, needed, &mut needed, err))
            .unwrap();
        serde_json::from_slice(&buffer[..needed as usize - 1]).unwrap()
    }
}

fn params(fit: &Fit) -> Vec<f64> {
    let mut values = vec![0.0; 2];
    // SAFETY: room for two numbers.
    call(|err| unsafe { ncg_fit_parameters(fit.fit, values.as_mut_ptr(), 2, err) }).unwrap();
    values
}

#[test]
fn options_of_a_fit_reach_it_through_the_abi() {
    let fit = make(
        &[("transform", "a=log"), ("profile", "true")],
        &[("starts", 4)],
    )
    .unwrap();
    feed(&fit).unwrap();
    assert!([NCG_FIT_GRADIENT, NCG_FIT_LOSS, NCG_FIT_STEP].contains(&run(&fit).unwrap()));
    let json = report(&fit);
    let a = &json["parameters"]["a"];
    assert!(a["interval"][0].as_f64() < a["value"].as_f64() && a["profile"][1].is_f64());
    assert_eq!(json["starts"], 4);
    let tied = make(&[("tie", "r=(/ a 6)")], &[]).unwrap();
    feed(&tied).unwrap();
    run(&tied).unwrap();
    let json = report(&tied);
    let (a, r) = (
        &json["parameters"]["a"]["value"],
        &json["tied"]["r"]["value"],
    );
    assert!((a.as_f64().unwrap() / 6.0 - r.as_f64().unwrap()).abs() < 1e-14);
    let limited = make(&[], &[("max_evaluations", 2)]).unwrap();
    feed(&limited).unwrap();
    assert_eq!(run(&limited).unwrap(), NCG_FIT_MAX_EVALUATIONS);
    let refused = make(&[("loss", "huber")], &[]).unwrap();
    feed(&refused).unwrap();
    assert!(run(&refused).unwrap_err().contains("loss_scale"));
    assert!(
        make(&[("fixed", "q")], &[])
            .err()
            .unwrap()
            .contains("no parameter \"q\"")
    );
}

#[test]
fn a_covariance_crosses_the_abi() {
    let fit = make(&[], &[]).unwrap();
    let set = |fit: &Fit, n: i64, values: &[f64]| {
        // SAFETY: n by n numbers.
        call(|err| unsafe { ncg_fit_set_covariance_f64(fit.fit, n, values.as_ptr(), err) })
    };
    let mut covariance = vec![0.0; 256];
    (0..16).for_each(|i| covariance[i * 17] = if i < 8 { 0.01 } else { 1.0 });
    assert!(set(&fit, 16, &covariance).unwrap_err().contains("no data"));
    feed(&fit).unwrap();
    assert!(set(&fit, 15, &covariance[..225]).is_err() && set(&fit, -1, &covariance).is_err());
    set(&fit, 16, &covariance).unwrap();
    run(&fit).unwrap();
    // a diagonal covariance is the inverse of weights
    let weighted = make(&[("noise", "known")], &[]).unwrap();
    let (x, y) = observations();
    let w: Vec<f64> = (0..16).map(|i| if i < 8 { 100.0 } else { 1.0 }).collect();
    // SAFETY: tables of 16 samples.
    call(|err| unsafe {
        ncg_fit_set_data_f64(
            weighted.fit,
            16,
            x.as_ptr(),
            1,
            1,
            y.as_ptr(),
            1,
            1,
            w.as_ptr(),
            1,
            1,
            err,
        )
    })
    .unwrap();
    let unsaid = make(&[], &[]).unwrap();
    for into in [ncg_fit_set_data_f64, ncg_fit_add_data_f64] {
        // SAFETY: tables of 16 samples.
        let give = |fit: &Fit| {
            call(|err| unsafe {
                let (x, y, w) = (x.as_ptr(), y.as_ptr(), w.as_ptr());
                into(fit.fit, 16, x, 1, 1, y, 1, 1, w, 1, 1, err)
            })
        };
        let refused = give(&unsaid).unwrap_err();
        for word in ["\"noise\"", "\"known\"", "\"estimated\""] {
            assert!(refused.contains(word), "{refused}");
        }
        for settings in [[("noise", "estimated")], [("loss", "poisson")]] {
            give(&make(&settings, &[]).unwrap()).unwrap();
        }
    }
    run(&weighted).unwrap();
    for (a, b) in params(&fit).iter().zip(params(&weighted)) {
        assert!((a / b - 1.0).abs() < 1e-12);
    }
    let error = |fit: &Fit| {
        report(fit)["parameters"]["a"]["std_error"]
            .as_f64()
            .unwrap()
    };
    assert!((error(&fit) / error(&weighted) - 1.0).abs() < 1e-10);
}

#[test]
fn a_fit_goes_on_from_a_file_with_the_same_bits() {
    let path = std::env::temp_dir().join(format!("ncg-fit-{}.checkpoint", std::process::id()));
    let file = c(path.to_str().unwrap());
    let whole = make(&[], &[]).unwrap();
    feed(&whole).unwrap();
    run(&whole).unwrap();
    let first = make(&[], &[("max_iterations", 3)]).unwrap();
    feed(&first).unwrap();
    assert_eq!(run(&first).unwrap(), NCG_FIT_MAX_ITERATIONS);
    // SAFETY: a path that ends in NUL.
    call(|err| unsafe { ncg_fit_checkpoint(first.fit, file.as_ptr(), err) }).unwrap();
    let second = make(&[], &[]).unwrap();
    feed(&second).unwrap();
    // SAFETY: as above.
    call(|err| unsafe { ncg_fit_resume(second.fit, file.as_ptr(), err) }).unwrap();
    // what was resumed is the result before anything has run
    assert_eq!(params(&second), params(&first));
    for key in ["parameters", "loss", "iterations", "evaluations"] {
        assert_eq!(report(&second)[key], report(&first)[key], "{key}");
    }
    run(&second).unwrap();
    assert_eq!(params(&second), params(&whole));
    let other = make(&[], &[]).unwrap();
    // SAFETY: as above.
    let refused = call(|err| unsafe { ncg_fit_resume(other.fit, file.as_ptr(), err) });
    assert!(refused.unwrap_err().contains("other data"));
    std::fs::remove_file(path).unwrap();
}

/// Which run it hears of, the callback may ask while the fit runs.
#[test]
fn the_callback_of_many_starts_can_ask_which_it_hears_of() {
    struct Seen {
        fit: *mut ncg_fit,
        starts: std::collections::BTreeSet<i64>,
        refused: bool,
    }
    unsafe extern "C" fn watch(seen: *mut c_void, _: i64, _: f64, _: *const f64, _: i64) -> i32 {
        // SAFETY: what the test gave, which nobody else uses meanwhile.
        let seen = unsafe { &mut *seen.cast::<Seen>() };
        let mut value = -1.0;
        // SAFETY: a fit that lives, places for numbers.
        let mut stat = |name: &std::ffi::CStr| unsafe {
            ncg_fit_stat(seen.fit, name.as_ptr(), &mut value, null_mut())
        };
        seen.refused = stat(c"loss") != 0;
        if stat(c"start") == 0 {
            seen.starts.insert(value as i64);
        }
        0
    }
    let fit = make(&[], &[("starts", 9), ("hops", 2)]).unwrap();
    feed(&fit).unwrap();
    let mut seen = Seen {
        fit: fit.fit,
        starts: Default::default(),
        refused: false,
    };
    let data = (&raw mut seen).cast::<c_void>();
    // SAFETY: the callback and its data live until the run has ended.
    call(|err| unsafe { ncg_fit_set_callback(fit.fit, Some(watch), data, 1, err) }).unwrap();
    run(&fit).unwrap();
    assert_eq!(seen.starts, (0..11).collect());
    assert!(seen.refused, "nothing else is told while the fit runs");
}

/// Rows in a window, from C: the end is that of all rows at once, and the report says what is approximate.
#[test]
fn rows_are_added_over_the_life_of_a_fit() {
    let (x, y) = observations();
    let whole = make(&[], &[]).unwrap();
    feed(&whole).unwrap();
    run(&whole).unwrap();
    let stream = make(&[], &[("window", 4)]).unwrap();
    let add = |first: usize, count: i64| {
        // SAFETY: tables of at least so many samples.
        call(|err| unsafe {
            let (x, y) = (x[first..].as_ptr(), y[first..].as_ptr());
            ncg_fit_add_data_f64(stream.fit, count, x, 1, 1, y, 1, 1, null(), 0, 0, err)
        })
    };
    let stat = |name: &std::ffi::CStr| {
        let mut value = 0.0;
        // SAFETY: a place for the number.
        call(|err| unsafe { ncg_fit_stat(stream.fit, name.as_ptr(), &mut value, err) }).unwrap();
        value
    };
    add(0, 0).unwrap();
    for first in (0..16).step_by(2) {
        add(first, 2).unwrap();
    }
    assert_eq!((stat(c"rows"), stat(c"summarised")), (16.0, 8.0));
    run(&stream).unwrap();
    let (got, wanted) = (report(&stream), report(&whole));
    let value = |report: &serde_json::Value, name: &str| {
        let parameter = &report["parameters"][name];
        (
            parameter["value"].as_f64().unwrap(),
            parameter["std_error"].as_f64().unwrap(),
        )
    };
    for name in ["a", "r"] {
        let ((got, _), (wanted, error)) = (value(&got, name), value(&wanted, name));
        assert!((got - wanted).abs() < 0.3 * error, "{got} {wanted} {error}");
    }
    assert_eq!(got["observations"], 16);
    assert_eq!(got["stream"]["summarised"], 8);
    assert!(add(0, -1).unwrap_err().contains("n_samples"));
}
