//! Branches on tests that are the same for the whole batch.

use super::axes::Axes;
use super::messages::graph_attribute;
use super::part::Values;
use super::write::Writer;
use crate::graph::{Elem, NodeId, RegionId, Type};
use crate::onnx::proto::tensor_proto::DataType;

impl Writer<'_> {
    /// An `if` as an `If`: one arm runs.
    pub fn branch(&mut self, id: NodeId, then: RegionId, otherwise: RegionId) {
        let form = self.form;
        let test = self.truth(form.node(id).args[0]);
        // values of both arms have one shape
        let axes = self.axes[id.index()];
        let arms = [then, otherwise].map(|arm| &form.region(arm).results);
        let bools: Vec<bool> = arms[0]
            .iter()
            .zip(arms[1])
            .map(|(a, b)| form.node(*a).ty.join(form.node(*b).ty) == Type::Scalar(Elem::Bool))
            .collect();
        let written = [then, otherwise].map(|arm| {
            self.open();
            self.region(arm);
            for (result, bool) in form.region(arm).results.iter().zip(&bools) {
                let tensor = self.shaped(*result, *bool, axes);
                let data_type = self.data_type(*bool);
                self.output(tensor, data_type, axes.dims());
            }
            let cut = self.overrun();
            (self.close(), cut)
        });
        let cuts = written.iter().filter_map(|(_, cut)| cut.as_ref());
        let cut = cuts.map(|(_, axes)| *axes).reduce(Axes::join);
        let mut attributes = Vec::new();
        for (word, (part, own)) in ["then_branch", "else_branch"].into_iter().zip(written) {
            self.parts.push(part);
            if let Some(axes) = cut {
                self.cut_output(own, axes);
            }
            let graph = self.close().into_graph(word.into());
            attributes.push(graph_attribute(word, graph));
        }
        let tensors: Vec<String> = bools.iter().map(|_| self.names.numbered("If")).collect();
        let mut output = tensors.clone();
        if let Some(axes) = cut {
            let name = self.names.numbered("If");
            self.part().overruns.push((name.clone(), axes));
            output.push(name);
        }
        if output.is_empty() {
            return;
        }
        self.part().push_with("If", vec![test], output, attributes);
        let log = None;
        self.part().values.insert(id, Values { tensors, log });
    }

    /// Makes it the next output whether loops were cut off, along these axes.
    pub fn cut_output(&mut self, cut: Option<(String, Axes)>, axes: Axes) {
        let (tensor, own) = match cut {
            Some(cut) => cut,
            None => (self.known_truth(false), Axes::NONE),
        };
        let tensor = match own == axes {
            true => tensor,
            false => {
                let innermost = self.parts.len() - 1;
                self.spread(innermost, tensor, axes)
            }
        };
        self.output(tensor, DataType::Bool, axes.dims());
    }
}
