"""Private names, and where they are: tests take them from here, and name no private module themselves.

They are looked up when they are asked for, since some modules need an extra.
"""

from importlib import import_module

# A name, name=other where it is another one there, or name=. for the module itself.
PLACES = {
    "gmm._blas": "_blas=. single_threaded_blas",
    "gmm._cli": "main",
    "gmm._cli.arguments": "OPTIONS_OF_COMMANDS=OPTIONS PICTURES",
    "gmm._cli.fit": "command_fit=.",
    "gmm._cli.output": "output=. write_json write_table write_text",
    "gmm._cli.report": "column_statistics figures=. report=. wording=.",
    "gmm._cli.rows": "WORDS",
    "gmm._cli.show": "choice drawn",
    "gmm._em": "Ascent Candidate CandidateView Clusters OFFSET StopTarget Race Run _em=. split_axes split_step",
    "gmm._estimators": "_estimators=.",
    "gmm._estimators.bayesian": "posterior_of",
    "gmm._estimators.conditional": "conditional=.",
    "gmm._estimators.contract": "names_of_features",
    "gmm._estimators.criteria": "CRITERIA criteria=. title",
    "gmm._estimators.attributes": "fitted_parameters record_of",
    "gmm._estimators.classes": "check_labels",
    "gmm._estimators.fitted": "fitted=.",
    "gmm._estimators.request": "source_to_fit",
    "gmm._estimators.saved": "state_of",
    "gmm._estimators.summary": "summary_of",
    "gmm._estimators.outcome": "progress=.",
    "gmm._estimators.scorer": "Scorer",
    "gmm._exceptions": "ConvergenceWarning InvalidParameterError WARNINGS raisable",
    "gmm._fitting": "_fitting=.",
    "gmm._fitting.degenerate": "Degeneracy DegeneracyRule Resolution degenerate=.",
    "gmm._fitting.fit": "SCREENING_PASSES fitting_fit=. screen_start screening_rows",
    "gmm._fitting.moments": "mean_and_covariance prior_of",
    "gmm._fitting.sampling": "sample_by_weight draw_sample",
    "gmm._fitting.split_merge": "ComponentDiagnosis drop_component halve_worst moves split_merge=.",
    "gmm._fitting.hierarchy": "Hierarchy",
    "gmm._fitting.starts": (
        "FitSettings STARTS StartSettings choose_best from_means from_responsibilities short_runs start_statistics "
        "starts=."
    ),
    "gmm._frozen": "_frozen=.",
    "gmm._frozen_mixture": "_frozen_mixture=.",
    "gmm._kernel.mstep": "QuasiNewtonState Survey DegeneracyCheck cached_property checksum mstep=.",
    "gmm._kernel.tiles": "tiles=.",
    "gmm._passes": "_passes=.",
    "gmm._passes.e_step": "EStep Totals e_step=. threads=. usable_threads",
    "gmm._passes.em": "MStep refill_empty",
    "gmm._passes.incomplete": "incomplete=.",
    "gmm._passes.problem": "Continuation Problem SolverSettings",
    "gmm._passes.solver": "Trace plain_records",
    "gmm._persistence": "FORMAT_VERSION _persistence=. load_state save_state",
    "gmm._persistence.values": "mixture_from_state",
    "gmm._plotting.boundaries": "boundaries",
    "gmm._plotting.passes": "passes=.",
    "gmm._plotting.planes": "check_contents coordinates ellipse limits planes=.",
    "gmm._plotting.scene": "discriminating scene_of view_of",
    "gmm._plotting.style": "DARKER FAINT STYLE colours encoded inline_svg plot_style=.",
    "gmm._rows.blocks": "NpySource ScratchSource SlicedSource blocks=. npy=. read_ahead scratch=.",
    "gmm._rows.text_stream": "QuotedText=TextStream",
    "gmm._rows.delimited": "delimited=. text_part",
    "gmm._rows.input": "as_source",
    "gmm._rows.file_table": "FileTable",
    "gmm._rows.formats": "TextFormat",
    "gmm._rows.incomplete": "IncompleteSource rows_incomplete=.",
    "gmm._rows.sources": "ArraySource Chunk Source box_of fingerprint",
    "gmm._rows.tables": "TableSource",
    "gmm._selection": "_selection=.",
    "gmm._selection.classifier": "classifier=.",
    "gmm._selection.loop": "loop=.",
    "gmm._selection.request": "folds_of template_of",
    "gmm._selection.resampling": "resampling=.",
    "gmm._selection.progress": "Ending",
    "gmm._selection.solutions": "solutions=.",
    "gmm._selection.standard": "to_search_units",
    "gmm._text.html": "Html block details escaped line sparkline style",
    "gmm._text.table": "Cell Column Table",
    "gmm._text.words": "amount counted percent plus_minus suggestion",
    "gmm._uses": "_uses=.",
    "gmm._uses.anomalies": "STATISTICS drift=.",
    "gmm._uses.distances": "distances=.",
    "gmm._uses.overlap": "combining=. overlap=.",
    "gmm._uses.standard_errors": "standard_errors=.",
    "gmm._validation.column_notes": "column_notes=. copies",
    "gmm._validation.combinations": "EXCLUSIONS",
    "gmm._validation.parameters": "OPTIONS",
    "gmm._validation.rows": "as_rows",
    "gmm._validation.scalars": "check_real check_whole",
    "gmm._values": "_values=.",
    "gmm._values.coordinates": "Coordinates directions=.",
    "gmm._values.covariance": (
        "CLASSIC COVARIANCE_TYPES LIMITED PARSIMONIOUS covariance=. covariance_model factor_model "
        "same_as with_other_factors"
    ),
    "gmm._values.layouts": (
        "DIAGONAL FULL LowRank SPHERICAL SingularMatrixError TIED layout_with_code layouts=. low_rank"
    ),
    "gmm._values.noise": "NO_NOISE Noise",
    "gmm._values.objective": "Objective",
    "gmm._values.parameters": "MixtureParameters",
    "gmm._values.priors": "ConjugatePrior FLAT VariationalPrior",
    "gmm._values.statistics": "SufficientStatistics",
    "gmm._values.tails": "StudentTails",
    "gmm._values.row_data": "ALL_UNKNOWN KnownClasses RowErrors",
    "gmm._values.whitened": "WhitenedMixture",
    "gmm._versions": "EXTRAS",
}
NAMES = {
    each.partition("=")[0]: (module, each.partition("=")[2])
    for module, names in PLACES.items()
    for each in names.split()
}


def __getattr__(name):
    if name not in NAMES:
        raise AttributeError(f"{name!r} is not in the table of {__name__}.py")
    module, there = NAMES[name]
    return import_module(module) if there == "." else getattr(import_module(module), there or name)
