"""What can go wrong, by where it does."""

from simulation.faults.aep_faults import AEP_FAULTS
from simulation.faults.broker_faults import BROKER_FAULTS
from simulation.faults.group_faults import GROUP_FAULTS
from simulation.faults.process_faults import PROCESS_FAULTS
from simulation.faults.record_faults import RECORD_FAULTS
from simulation.faults.topic_faults import TOPIC_FAULTS

FAULTS = (*PROCESS_FAULTS, *GROUP_FAULTS, *BROKER_FAULTS, *RECORD_FAULTS, *AEP_FAULTS, *TOPIC_FAULTS)
"""All kinds, in the order in which a seed draws them: what is put between them gives every seed another episode."""
