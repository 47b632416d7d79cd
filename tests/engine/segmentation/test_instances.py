"""Cutting tooth instances out of probability maps."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from teethscape.segmentation.instances import InstanceRules, clean_mask, cut_instances, without_holes
from teethscape.segmentation.region_graph import merge_regions

from .maps import perfect_maps, row_of_teeth


def _iou(a, b):
    return (a & b).sum() / (a | b).sum()


def test_touching_teeth_come_apart():
    truth = row_of_teeth(6)
    maps = perfect_maps(truth)
    found = cut_instances(maps, maps.tooth)
    assert found.max() == 6
    for k in range(1, 7):
        best = max(_iou(found == i, truth == k) for i in range(1, 7))
        assert best > 0.9


def test_a_fissure_does_not_cut_a_tooth():
    truth = row_of_teeth(3)
    maps = perfect_maps(truth)
    boundary = maps.boundary.copy()
    boundary[105:185, 189:191] = 0.3  # a weak line down the middle of tooth 2
    energy = maps.energy.copy()
    energy[105:185, 186:194] *= 0.4
    maps = replace(maps, boundary=boundary, energy=energy)
    assert cut_instances(maps, maps.tooth).max() == 3


def test_regions_with_a_strong_border_stay_apart_and_weak_ones_join():
    truth = row_of_teeth(2)
    maps = perfect_maps(truth)
    assert len(np.unique(merge_regions(truth, maps))) == 3
    halves = truth.copy()
    halves[145:190, 100:160] = 3  # tooth 1 cut in two where the network sees no border
    assert len(np.unique(merge_regions(halves, maps))) == 3


def test_specks_go_and_pin_holes_close():
    chance = np.zeros((300, 800), np.float32)
    chance[100:200, 100:200] = 1
    chance[150:153, 150:153] = 0
    chance[20:24, 20:24] = 1
    mask = clean_mask(chance, InstanceRules())
    assert mask[151, 151]
    assert not mask[22, 22]


def test_a_hole_in_one_tooth_is_filled_and_a_gap_between_two_stays():
    labels = np.zeros((60, 90), np.int32)
    labels[10:50, 10:40], labels[10:50, 40:80] = 1, 2
    holed = labels.copy()
    holed[20:30, 20:30] = 0
    holed[20:30, 35:45] = 0
    labels[20:30, 35:45] = 0
    np.testing.assert_array_equal(without_holes(holed), labels)


def test_a_picture_without_teeth_has_no_instances():
    maps = perfect_maps(np.zeros((300, 800), np.int32))
    assert cut_instances(maps, maps.tooth).max() == 0


def test_ids_run_from_one_and_every_instance_is_connected():
    maps = perfect_maps(row_of_teeth(5))
    found = cut_instances(maps, maps.tooth)
    assert sorted(np.unique(found)) == list(range(6))
    for k in range(1, 6):
        assert cv2.connectedComponents((found == k).astype(np.uint8))[0] == 2


def test_a_shine_far_from_the_row_is_no_tooth():
    truth = row_of_teeth(5)
    truth[10:40, 700:740] = 6
    maps = perfect_maps(truth)
    found = cut_instances(maps, maps.tooth)
    assert found.max() == 5
    assert not found[10:40, 700:740].any()


def test_a_gap_in_the_row_keeps_both_sides():
    truth = row_of_teeth(6)
    truth[truth == 3] = 0
    truth[truth == 4] = 0
    maps = perfect_maps(truth)
    assert cut_instances(maps, maps.tooth, InstanceRules(apart=0.05)).max() == 4
