"""The words about switches over one log, in English and Bengali.

They are a part of those in `words`.
"""

CLUSTER_WORDS: dict[str, tuple[str, str]] = {
    "database": ("database", "ডেটাবেস"),
    "database role": ("role", "ভূমিকা"),
    "lag": ("bytes behind", "কত বাইট পিছিয়ে"),
    "waits for": ("commits wait for", "কার জন্য অপেক্ষা"),
    "cluster": ("Cluster", "ক্লাস্টার"),
    "unreachable": ("unreachable", "যোগাযোগ নেই"),
    "no log": ("the log does not answer", "লগ সাড়া দিচ্ছে না"),
    "node": ("node", "নোড"),
    "node address": ("address", "ঠিকানা"),
    "leads": ("leads", "নেতৃত্বে"),
    "behind": ("entries behind", "কত ভুক্তি পিছিয়ে"),
    "seen": ("seen", "শেষ দেখা"),
    "epoch": ("epoch", "পর্ব"),
    "standbys": ("standbys", "সহযোগী ডেটাবেস"),
    "may lose one": ("may lose one machine", "একটি যন্ত্র হারালেও চলবে"),
    "steps down": ("steps down", "নেতৃত্ব ছাড়ছে"),
}
