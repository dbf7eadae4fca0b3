//! bench
#![allow(warnings)]
#[path = "samples/mod.rs"]
mod s;
use billing_typst::*;
use std::time::Instant;
fn main() {
    let r = Renderer::new().unwrap();
    let t = Instant::now();
    let _r2 = Renderer::new().unwrap();
    println!("new {:?}", t.elapsed());
    for n in [2usize, 15, 200, 5000] {
        let only = std::env::args().nth(1).and_then(|x| x.parse::<usize>().ok());
        if only.is_some_and(|o| o != n) {
            continue;
        }
        let ops = ["AWCC", "Roshan", "MTN", "Etisalat", "Salaam"];
        let reps = if n > 1000 {
            2
        } else if n > 100 {
            40
        } else {
            150
        };
        let mut best = f64::MAX;
        let mut total = 0.0;
        let mut len = 0;
        for k in 0..reps + 3 {
            let lines = (0..n as u64)
                .map(|i| {
                    s::line(
                        ops[(i % 5) as usize],
                        if i % 2 == 0 { "MT" } else { "MO" },
                        9000 + (i as i64 + k) * 137,
                        1000 + i * 9377 + k as u64 * 31,
                        1200 + i * 10411 + k as u64 * 17,
                    )
                })
                .collect();
            let mut d = s::invoice(lines);
            d.invoice_number = format!("INV-2026-{k:06}");
            d.invoice_id = format!("0193b2a8-7d1c-7c4e-9a52-0c1f7f9f{k:04}");
            d.customer.name = format!("Customer number {k}");
            if std::env::var("LAYOUT").is_ok() {
                d.daily.clear();
            }
            let t = Instant::now();
            let pdf = r.render(&d).unwrap();
            let e = t.elapsed().as_secs_f64() * 1e3;
            if k >= 3 {
                total += e;
                best = best.min(e);
            }
            len = pdf.len();
        }
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let rss = status.lines().find(|l| l.starts_with("VmHWM")).unwrap().to_string();
        println!("{n}: mean {:.2} ms best {best:.2} ms {len} bytes {rss}", total / reps as f64);
    }
}
