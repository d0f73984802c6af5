//! Which provider runs which node, asked of a session through ONNX Runtime's C interface of version 24.
//!
//! The bindings are built for the interface of version 20, so that libraries of JetPack 6 load; the newer functions
//! are asked for at run time. They are called by their place in `OrtApi`, a table of function pointers that only ever
//! grows at its end (onnxruntime_c_api.h: "the order of the functions must not change").

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_void};

use ort::AsPointer;
use ort::session::Session;
use ort::sys::OrtStatusPtr;

use crate::library::{Library, TELLS_NODES};
use crate::provider::{AssignedNode, NodeShare};

/// Version of the C interface that first had these functions.
const API: u32 = 24;

/// Session option that makes a session keep its assignment.
pub(crate) const RECORD: &str = "session.record_ep_graph_assignment_info";

/// Place of `Session_GetEpGraphAssignmentInfo` in `OrtApi`.
const SUBGRAPHS: usize = 407;
/// Place of `EpAssignedSubgraph_GetEpName`.
const PROVIDER_NAME: usize = 408;
/// Place of `EpAssignedSubgraph_GetNodes`.
const NODES: usize = 409;
/// Place of `EpAssignedNode_GetName`.
const NODE_NAME: usize = 410;
/// Place of `EpAssignedNode_GetOperatorType`.
const OPERATOR_TYPE: usize = 412;

/// Gives a list of `count` pointers that belong to the session.
type GetList =
    unsafe extern "system" fn(of: *const c_void, list: *mut *const *const c_void, count: *mut usize) -> OrtStatusPtr;
/// Gives a string that belongs to the session.
type GetText = unsafe extern "system" fn(of: *const c_void, text: *mut *const c_char) -> OrtStatusPtr;

/// Who runs what: by ONNX Runtime's names of providers, shares and single nodes.
pub(crate) type Assignment = (BTreeMap<String, NodeShare>, BTreeMap<String, Vec<AssignedNode>>);

/// Nodes per provider of `session`, which was made with [`RECORD`] set; `None` where the library is too old to tell.
///
/// # Errors
/// What ONNX Runtime says.
pub(crate) fn nodes_per_provider(library: &Library, session: &Session) -> Result<Option<Assignment>, ort::Error> {
    let Some(table) = Table::of(library) else { return Ok(None) };
    let mut assigned: BTreeMap<String, Vec<AssignedNode>> = BTreeMap::new();
    for subgraph in table.list(SUBGRAPHS, session.ptr().cast())? {
        let mine = assigned.entry(table.text(PROVIDER_NAME, *subgraph)?).or_default();
        for node in table.list(NODES, *subgraph)? {
            let (name, operator) = (table.text(NODE_NAME, *node)?, table.text(OPERATOR_TYPE, *node)?);
            mine.push(AssignedNode { name, operator });
        }
    }
    Ok(Some((shares(&assigned), assigned)))
}

/// Nodes counted by provider and operator.
pub(crate) fn shares(assigned: &BTreeMap<String, Vec<AssignedNode>>) -> BTreeMap<String, NodeShare> {
    let all: usize = assigned.values().map(Vec::len).sum();
    let share = |nodes: &Vec<AssignedNode>| {
        let mut operators = BTreeMap::new();
        nodes.iter().for_each(|node| *operators.entry(node.operator.clone()).or_default() += 1);
        NodeShare { nodes: nodes.len(), share: nodes.len() as f64 / all.max(1) as f64, operators }
    };
    assigned.iter().map(|(provider, nodes)| (provider.clone(), share(nodes))).collect()
}

/// `OrtApi` of version [`API`], as the table of pointers that it is.
struct Table(*const *const c_void);

impl Table {
    fn of(library: &Library) -> Option<Self> {
        // A library that is too old would print a complaint when it is asked.
        let api = if library.version() < TELLS_NODES { std::ptr::null() } else { library.api(API) };
        (!api.is_null()).then_some(Self(api.cast()))
    }

    fn list(&self, place: usize, of: *const c_void) -> Result<&[*const c_void], ort::Error> {
        let (mut list, mut count) = (std::ptr::null(), 0);
        // SAFETY: a table of version 24 has more entries than the largest place used here, the function at each of
        // the places given to `list` has the type `GetList`, and `of` is the live object that it takes.
        unsafe {
            let get = std::mem::transmute::<*const c_void, GetList>(*self.0.add(place));
            ort::Error::result_from_status(get(of, &mut list, &mut count))?;
            if list.is_null() || count == 0 { Ok(&[]) } else { Ok(std::slice::from_raw_parts(list, count)) }
        }
    }

    fn text(&self, place: usize, of: *const c_void) -> Result<String, ort::Error> {
        let mut text = std::ptr::null();
        // SAFETY: as in `list`, with functions of the type `GetText`; the string ends in 0 and lives with the session.
        unsafe {
            let get = std::mem::transmute::<*const c_void, GetText>(*self.0.add(place));
            ort::Error::result_from_status(get(of, &mut text))?;
            Ok(if text.is_null() { String::new() } else { CStr::from_ptr(text).to_string_lossy().into_owned() })
        }
    }
}
