"""Studies: tables and figures of the paper as cells to run, records to collect and published values to stand beside."""

from leap_avvp.studies.everything import reproduce_all
from leap_avvp.studies.launch import list_studies, print_studies, reproduce
from leap_avvp.studies.spec import Study, load_study, study_names

__all__ = ["Study", "list_studies", "load_study", "print_studies", "reproduce", "reproduce_all", "study_names"]
