//! The screen as it opens: space at the left, cameras with boxes, risk and sensors over time, and plots at
//! the right, the log with its reasons below; side panels
//! hidden.
//!
//! rerun's blueprint offers no way to place the eye or colour a background, so these are logged into the same blueprint
//! store beside what it makes.

use rerun::RecordingStream;
use rerun::RecordingStreamBuilder;
use rerun::blueprint::components::{LinkAxis, LoopMode, PanelState, PlayState};
use rerun::blueprint::{
    Blueprint, BlueprintActivation, BlueprintPanel, ContainerLike, Grid, Horizontal, SelectionPanel, Spatial2DView,
    Spatial3DView, StateTimelineView, Tabs, TextLogView, TimePanel, TimeSeriesView, Vertical, View,
};
use rerun::external::re_log_types::BlueprintActivationCommand;
use rerun::external::re_sdk_types::blueprint::archetypes::{
    Background, EyeControls3D, LineGrid3D, PlotLegend, TextLogColumns, TimeAxis,
};
use rerun::external::re_sdk_types::blueprint::{components as fields, datatypes};
use rerun::log::LogMsg;

use super::scene::{
    ANTICIPATION, LATENCY, LOG, MACHINE, NEAREST, QUEUES, STATES, Scene, TTC, VEHICLE, boxes_path, camera_path,
    depth_path, way_path,
};
use super::{FRAME, SENSOR_TIME, ViewerError};

/// Where the eye stands: behind and above the vehicle, as in a driving game; metres in the vehicle frame.
const EYE_POSITION_M: [f32; 3] = [-14.0, 0.0, 10.0];
/// What it looks at.
const EYE_TARGET_M: [f32; 3] = [12.0, 0.0, -2.0];
/// Width of the right column on a screen of 1600 points.
const COLUMN_WIDTH: f32 = 700.0;
/// Height of a view's title.
const TITLE_HEIGHT: f32 = 30.0;
/// Height of a lane of states with its name.
const LANE_HEIGHT: f32 = 46.0;
/// Height of the time axis above them.
const AXIS_HEIGHT: f32 = 28.0;
/// Columns over rows of a camera whose size is unknown.
const USUAL_ASPECT: f32 = 16.0 / 9.0;
/// Up to this many cameras stand below one another; more go into a grid.
const CAMERAS_STACKED_MAX: usize = 2;

/// A property of one view: the view's path in the blueprint, the property's name, its values.
type Property = (String, Box<dyn rerun::AsComponents>);

/// Sends the layout for `scene` down `rec`. A live viewer follows the newest data, a file plays from its start.
pub(super) fn send_blueprint(rec: &RecordingStream, scene: &Scene, live: bool) -> Result<(), ViewerError> {
    let failed = ViewerError::rerun;
    let mut properties = Vec::new();
    let root = layout(scene, &mut properties);
    let time_panel = TimePanel::new()
        .with_state(PanelState::Collapsed)
        .with_timeline(SENSOR_TIME)
        .with_play_state(if live { PlayState::Following } else { PlayState::Playing })
        .with_loop_mode(if live { LoopMode::Off } else { LoopMode::All });
    let blueprint = Blueprint::new(root)
        .with_auto_views(false)
        .with_auto_layout(false)
        .with_blueprint_panel(BlueprintPanel::from_state(PanelState::Hidden))
        .with_selection_panel(SelectionPanel::from_state(PanelState::Hidden))
        .with_time_panel(time_panel);

    let application = rec.store_info().map(|info| info.application_id().clone());
    let application =
        application.ok_or_else(|| failed("the layout")(rerun::RecordingStreamError::NotAProxyEndpoint))?;
    let (catcher, caught) = RecordingStreamBuilder::new(application).memory().map_err(failed("the layout"))?;
    let activation = BlueprintActivation::default();
    blueprint.send(&catcher, activation).map_err(failed("the layout"))?;
    let mut messages: Vec<LogMsg> = caught.take().into_iter().filter(is_blueprint).collect();
    let Some(store_id) = messages.first().map(|message| message.store_id().clone()) else { return Ok(()) };

    let (extra, extra_caught) =
        RecordingStreamBuilder::from_store_id(&store_id).memory().map_err(failed("the layout"))?;
    extra.set_time_sequence("blueprint", 0);
    for (path, value) in &properties {
        extra.log(path.as_str(), value.as_ref()).map_err(failed("the layout"))?;
    }
    messages.extend(extra_caught.take().into_iter().filter(|message| matches!(message, LogMsg::ArrowMsg(..))));
    let BlueprintActivation { make_active, make_default } = activation;
    rec.send_blueprint(messages, BlueprintActivationCommand { blueprint_id: store_id, make_active, make_default });
    Ok(())
}

/// Messages of the layout itself, without its activation, which must come last.
fn is_blueprint(message: &LogMsg) -> bool {
    match message {
        LogMsg::BlueprintActivationCommand(_) => false,
        other => other.store_id().is_blueprint(),
    }
}

/// With space: space and log at the left; pictures and plots at the right. Without: pictures at the left, plots and log
/// at the right. Shares are heights on a screen of 1600 x 900.
fn layout(scene: &Scene, properties: &mut Vec<Property>) -> ContainerLike {
    let pictures = pictures(scene);
    let log = log_view(properties);
    let lanes = 1 + scene.cameras.len() + scene.rig.lidars.len();
    let states = StateTimelineView::new("Risk and sensors").with_origin(STATES);
    let near = [("Nearest obstacle, m", NEAREST), ("Time to collision, s", TTC)];
    let load = [("Latency, ms", LATENCY), ("Waiting in queues", QUEUES)];
    let mut beside =
        |pair: [(&str, &str); 2]| Horizontal::new(pair.map(|(name, origin)| plot(name, origin, properties)));
    let near = (beside(near).into(), 190.0);
    let load = (beside(load).into(), 150.0);
    let foreseen = scene.anticipation.then(|| (plot("Collision foreseen, P", ANTICIPATION, properties), 150.0));
    let states = (states.into(), TITLE_HEIGHT + AXIS_HEIGHT + LANE_HEIGHT * lanes as f32);
    let machine = scene.machine.then(|| (plot("Computer", MACHINE, properties), 120.0));
    let plots = [states, near].into_iter().chain(foreseen).chain([load]).chain(machine);
    let (left, right, widths): (_, Vec<_>, _) = if has_space(scene) {
        let space = space_view(scene, properties);
        (vec![(space, 4.5), (log, 1.0)], pictures.into_iter().chain(plots).collect(), [5.0, 4.0])
    } else if pictures.is_empty() {
        (vec![(log, 1.0)], plots.collect(), [1.0, 1.0])
    } else {
        (pictures, plots.chain([(log, 250.0)]).collect(), [5.0, 3.0])
    };
    Horizontal::new([stack(left), stack(right)]).with_column_shares(widths).into()
}

/// Views one below the other, each with its share of the height.
fn stack(views: Vec<(ContainerLike, f32)>) -> ContainerLike {
    let (views, shares): (Vec<ContainerLike>, Vec<f32>) = views.into_iter().unzip();
    Vertical::new(views).with_row_shares(shares).into()
}

/// Cameras and their depth, each with the height it needs.
fn pictures(scene: &Scene) -> Vec<(ContainerLike, f32)> {
    let height = TITLE_HEIGHT + COLUMN_WIDTH / narrowest_aspect(scene);
    let mut views = Vec::new();
    if let Some(cameras) = cameras(scene) {
        views.push((cameras, height * scene.cameras.len().min(CAMERAS_STACKED_MAX) as f32));
        if scene.depth {
            views.push((one_or_tabs(scene.cameras.iter().map(|camera| depth_view(camera)).collect()), height));
        }
    }
    views
}

/// Whether anything can have a place in space.
fn has_space(scene: &Scene) -> bool {
    scene.lidar || scene.rig.cameras.values().any(|mount| mount.optical_from_vehicle.is_some())
}

/// Columns over rows of the camera that needs most height.
fn narrowest_aspect(scene: &Scene) -> f32 {
    let aspect = |camera: &String| {
        let camera = scene.rig.cameras.get(camera)?.camera;
        (camera.width > 0 && camera.height > 0).then(|| camera.width as f32 / camera.height as f32)
    };
    scene.cameras.iter().map(|camera| aspect(camera).unwrap_or(USUAL_ASPECT)).reduce(f32::min).unwrap_or(USUAL_ASPECT)
}

/// Log lines with their frame, level and text; the one path is always the same and the time has no room.
fn log_view(properties: &mut Vec<Property>) -> ContainerLike {
    let container = ContainerLike::from(TextLogView::new("Log").with_origin(LOG));
    if let Some(path) = view_path(&container) {
        let timeline = datatypes::TimelineColumn { visible: true.into(), timeline: FRAME.into() };
        let column = |kind| fields::TextLogColumn(datatypes::TextLogColumn { visible: true.into(), kind });
        let columns =
            TextLogColumns::new().with_timeline_columns([fields::TimelineColumn(timeline)]).with_text_log_columns(
                [datatypes::TextLogColumnKind::LogLevel, datatypes::TextLogColumnKind::Body].map(column),
            );
        properties.push((format!("{path}/TextLogColumns"), Box::new(columns)));
    }
    container
}

fn space_view(scene: &Scene, properties: &mut Vec<Property>) -> ContainerLike {
    // Boxes and edges belong onto the picture, not onto its small image in space.
    let flat = |camera: &String| [boxes_path(camera), way_path(camera)].map(|path| format!("- /{path}/**"));
    let contents = std::iter::once(format!("/{VEHICLE}/**")).chain(scene.cameras.iter().flat_map(flat));
    let container = ContainerLike::from(Spatial3DView::new("Space").with_origin(VEHICLE).with_contents(contents));
    if let Some(path) = view_path(&container) {
        let eye = EyeControls3D::new()
            .with_position(EYE_POSITION_M)
            .with_look_target(EYE_TARGET_M)
            .with_eye_up([0.0, 0.0, 1.0]);
        properties.push((format!("{path}/EyeControls3D"), Box::new(eye)));
        let grid =
            LineGrid3D::new().with_spacing(10.0).with_color(rerun::Color::from_unmultiplied_rgba(255, 255, 255, 24));
        properties.push((format!("{path}/LineGrid3D"), Box::new(grid)));
        let background =
            Background::new(fields::BackgroundKind::SolidColor).with_color(rerun::Color::from_rgb(10, 12, 16));
        properties.push((format!("{path}/Background"), Box::new(background)));
    }
    container
}

/// The cameras' views: one, a stack, or a grid.
fn cameras(scene: &Scene) -> Option<ContainerLike> {
    let mut views: Vec<ContainerLike> = scene
        .cameras
        .iter()
        .map(|camera| {
            let origin = camera_path(camera);
            let contents = [format!("{origin}/**")];
            Spatial2DView::new(camera.as_str()).with_origin(origin).with_contents(contents).into()
        })
        .collect();
    match views.len() {
        0 | 1 => views.pop(),
        2..=CAMERAS_STACKED_MAX => Some(Vertical::new(views).into()),
        _ => Some(Grid::new(views).with_grid_columns(2).into()),
    }
}

fn depth_view(camera: &str) -> ContainerLike {
    Spatial2DView::new(format!("Depth {camera}")).with_origin(depth_path(camera)).into()
}

fn one_or_tabs(mut views: Vec<ContainerLike>) -> ContainerLike {
    match (views.len(), views.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            views.extend(last);
            Tabs::new(views).into()
        }
    }
}

/// A plot whose time axis moves with those of the other plots.
fn plot(name: &str, origin: &str, properties: &mut Vec<Property>) -> ContainerLike {
    let container = ContainerLike::from(TimeSeriesView::new(name).with_origin(origin));
    if let Some(path) = view_path(&container) {
        properties.push((format!("{path}/PlotLegend"), Box::new(PlotLegend::new().with_visible(true))));
        properties.push((format!("{path}/TimeAxis"), Box::new(TimeAxis::new().with_link(LinkAxis::LinkToGlobal))));
    }
    container
}

fn view_path(container: &ContainerLike) -> Option<String> {
    match container {
        ContainerLike::View(view) => Some(View::blueprint_path(view).to_string()),
        _ => None,
    }
}
