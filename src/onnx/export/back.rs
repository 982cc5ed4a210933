//! Ways back over loops of which it is not known how often they ran.

use super::messages::{graph_attribute, int_attribute};
use super::part::{Log, Values};
use super::write::{Target, Writer};
use crate::graph::{NodeId, RegionId};
use crate::onnx::proto::tensor_proto::DataType;

impl Writer<'_> {
    /// A way back as a `Loop` over the rows of what the loop has logged, the last one first.
    pub fn reverse(&mut self, id: NodeId, back: RegionId) {
        let form = self.form;
        let args = &form.node(id).args;
        let Some(mut log) = self.values(args[0]).log.clone() else {
            unreachable!("a loop that is gone back over has a log")
        };
        if let Some(counted) = &log.counted {
            if self.target == Target::Engine {
                return self.scan_back(id, back, &log, counted);
            }
            log.states[counted.state] = Some(self.sequence(counted));
        }
        let (params, results) = (&form.region(back).params, &form.region(back).results);
        let (states, carries) = params.split_at(log.states.len());
        let kinds = self.carried(carries);
        let inits: Vec<String> = args[1..]
            .iter()
            .zip(&kinds)
            .map(|(init, one)| self.shaped(*init, one.bool, one.axes))
            .collect();
        let (count, last) = self.rows(&log);
        let mut input = vec![count, self.known_truth(true)];
        input.extend(inits);

        self.open();
        let iteration = self.input(DataType::Int64, &[]);
        let going = self.input(DataType::Bool, &[]);
        let old = self.inputs(&kinds);
        self.bind_all(carries, &old);
        let row = self.push("Sub", vec![last, iteration]);
        let mask = log.mask.as_ref().map(|(rows, axes)| {
            let mask = self.gather(rows, &row);
            self.count_where(mask.clone(), *axes);
            mask
        });
        for (state, rows) in states.iter().zip(&log.states) {
            if let Some(rows) = rows.as_ref().filter(|_| self.used[state.index()]) {
                let tensor = self.gather(rows, &row);
                self.bind(*state, tensor);
            }
        }
        self.region(back);
        let mut new = Vec::new();
        for ((result, one), old) in results.iter().zip(&kinds).zip(old) {
            new.push(match &mask {
                Some(mask) => {
                    let new = self.typed(*result, one.bool);
                    self.masked(mask, new, old, one.bool)
                }
                None => self.shaped(*result, one.bool, one.axes),
            });
        }
        self.output(going, DataType::Bool, &[]);
        self.outputs(new, &kinds);
        let cut = self.carry_overrun(&mut input);
        let body = self.close().into_graph("back".into());

        let tensors: Vec<String> = kinds.iter().map(|_| self.names.numbered("Loop")).collect();
        let mut output = tensors.clone();
        if let Some(axes) = cut {
            let name = self.names.numbered("Loop");
            self.part().overruns.push((name.clone(), axes));
            output.push(name);
        }
        let attribute = vec![graph_attribute("body", body)];
        self.part().push_with("Loop", input, output, attribute);
        let log = None;
        self.part().values.insert(id, Values { tensors, log });
    }

    /// How many rows a log has, and the index of the last: as known, or as logged. Without iterations the runtime gives a log the shape [0, 0], so
    /// that nothing but its first dimension can be trusted.
    fn rows(&mut self, log: &Log) -> (String, String) {
        if let Some(counted) = &log.counted {
            let count = counted.trips as i64;
            return (self.whole(count), self.whole(count - 1));
        }
        let rows = log
            .states
            .iter()
            .flatten()
            .chain(log.mask.iter().map(|(rows, _)| rows))
            .next();
        let rows = rows.cloned().unwrap_or_default();
        let count = self.names.numbered("Shape");
        let attribute = vec![int_attribute("end", 1)];
        self.part()
            .push_with("Shape", vec![rows], vec![count.clone()], attribute);
        let count = self.push("Squeeze", vec![count]);
        let one = self.whole(1);
        let last = self.push("Sub", vec![count.clone(), one]);
        (count, last)
    }

    fn gather(&mut self, rows: &str, row: &str) -> String {
        let name = self.names.numbered("Gather");
        let attribute = vec![int_attribute("axis", 0)];
        let input = vec![rows.to_string(), row.to_string()];
        self.part()
            .push_with("Gather", input, vec![name.clone()], attribute);
        name
    }
}
